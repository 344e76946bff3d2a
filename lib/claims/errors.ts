import { IpvlanError, type IpvlanErrorOf } from "../base/errors.ts";
import { isOwn } from "./types.ts";

/** Makes the error for an option of the access to etcd, or for a file that it names. */
export function etcdOption(
  option: string,
  value: string,
  rule: string,
): IpvlanErrorOf<"etcd-option"> {
  return new IpvlanError("etcd-option", { option, value, rule });
}

/** Makes the error for an address that is held on a host, or on this one if none is given. */
export function sharedAddressHeld(
  address: string,
  sandbox: string,
  host?: string,
): IpvlanErrorOf<"shared-address-held"> {
  const user = isOwn({ sandbox }) ? undefined : sandbox;
  return new IpvlanError("shared-address-held", { address, sandbox: user, host });
}

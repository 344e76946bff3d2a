import {
  type ErrorCode,
  hasProblem,
  IpvlanError,
  type IpvlanErrorOf,
  isIpvlanError,
} from "../../base/errors.ts";
import { isObject, type Misfit, placeOf, show } from "../../base/reader.ts";
import type { CniVersion } from "./version.ts";

/** The error codes of CNI 1.1 (section 5, "Error"), and from 100 on those of this plugin. */
export const CODE = {
  /** The version of the configuration is not supported, or too old for the command. */
  version: 1,
  unsupported: 2,
  container: 3,
  environment: 4,
  /** The configuration cannot be read from standard input. */
  io: 5,
  decoding: 6,
  conf: 7,
  /** The same call will work later. */
  tryAgain: 11,
  /** STATUS: nothing can be added now. */
  notAvailable: 50,
  /** STATUS: nothing can be added now, and present containers may be cut off. */
  limited: 51,
  /** The driver or the kernel has refused the call. */
  refused: 100,
  /** CHECK: something of an attachment is missing or changed. */
  changed: 101,
  /** GC or DEL: something could not be removed. */
  left: 102,
  /** The IPAM plugin cannot be run, or its answer cannot be used. */
  ipam: 103,
} as const;

/** Makes an error with a sentence and a code: one of {@linkcode CODE} or of an IPAM plugin. */
export function cniError(
  status: number,
  reason: string,
  options?: ErrorOptions,
): IpvlanErrorOf<"cni"> {
  return new IpvlanError("cni", { status, reason }, options);
}

/** The beginning of the `wanted` of a misfit whose key is not supported. */
export const UNSUPPORTED = "is not supported";

export function misfitError({ path, value, wanted }: Misfit): IpvlanErrorOf<"cni"> {
  const place = placeOf(path);
  if (wanted.startsWith(UNSUPPORTED)) {
    const shown = value === undefined ? "" : ` with the value ${show(value)}`;
    return cniError(CODE.unsupported, `The key "${place}"${shown} ${wanted}`);
  }
  return cniError(CODE.conf, `${place} is ${show(value)}, and should be ${wanted}`);
}

export function ipamFailure(type: string, status: number, answer: unknown): IpvlanErrorOf<"cni"> {
  if (!isObject(answer) || typeof answer.msg !== "string") {
    return cniError(CODE.ipam, `The IPAM plugin "${type}" ended with status ${status}`);
  }
  const code = typeof answer.code === "number" ? answer.code : CODE.ipam;
  const isText = typeof answer.details === "string" && answer.details !== "";
  const details = isText ? `; ${answer.details}` : "";
  return cniError(code, `The IPAM plugin "${type}" has failed: ${answer.msg}${details}`);
}

/** Makes the answer for problems: the first one's code and sentence; the others are its details. */
export function errorAnswer(
  cniVersion: CniVersion,
  problems: readonly IpvlanErrorOf<"cni">[],
): { cniVersion: CniVersion; code: number; msg: string; details?: string } {
  const [first, ...others] = problems;
  const answer = { cniVersion, code: first!.status, msg: first!.message };
  if (others.length === 0) return answer;
  return { ...answer, details: others.map(({ message }) => message).join("\n") };
}

/** The code of each error that the driver throws, unless it is {@linkcode CODE.refused}. */
const CODES: Partial<Record<ErrorCode, number>> = {
  "interrupted": CODE.tryAgain,
  "half-done": CODE.tryAgain,
  "etcd-unreachable": CODE.tryAgain,
  "sandbox-gone": CODE.container,
  "sandbox-not-found": CODE.container,
  "network-not-found": CODE.conf,
  "network-differs": CODE.conf,
  "link-left": CODE.left,
};

export function toCniErrors(error: unknown): IpvlanErrorOf<"cni">[] {
  if (isIpvlanError(error, "problems")) return error.problems.flatMap(toCniErrors);
  if (isIpvlanError(error, "cni")) return [error];
  const message = error instanceof Error ? error.message : String(error);
  // The driver checks the file of the namespace, which the environment names.
  if (isIpvlanError(error, "invalid-option") && error.option === "namespace") {
    return [cniError(CODE.environment, `CNI_NETNS: ${message}`, { cause: error })];
  }
  if (isIpvlanError(error, "sandbox-parent") && error.parent === undefined) {
    const sentence = 'The key "master" is missing, and the container has no default route to ' +
      "take its link from";
    return [cniError(CODE.conf, sentence, { cause: error })];
  }
  const code = error instanceof IpvlanError ? CODES[error.code] : undefined;
  return [cniError(code ?? CODE.refused, message, { cause: error })];
}

export function isExhausted(error: unknown): boolean {
  return hasProblem(error, "pool-exhausted", "shared-pool-exhausted");
}

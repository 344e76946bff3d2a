import type { EngineDriver } from "../../driver/mod.ts";
import { type Family, familyOf, parseAddress } from "../../ipam/address.ts";
import { contains, parsePrefix, type SubnetSpec } from "../../ipam/mod.ts";
import { NO_GATEWAY } from "../../ipam/subnet.ts";
import type { AttachmentKey } from "./environment.ts";
import { cniError, CODE, isExhausted } from "./errors.ts";
import { type Result, type ResultAddress, toResultRoute } from "./result.ts";
import { type CniRequest, ipamOf, isValid, ownerOf } from "./translate.ts";

type Call = CniRequest & { driver: EngineDriver };

/** The holder of an attachment's addresses. The name of a link has no slash. */
function holderOf({ containerId, ifname }: AttachmentKey): string {
  return `${containerId}/${ifname}`;
}

function claimsOf({ conf, driver }: Call): { pool: string; address: string; holder: string }[] {
  const owner = ownerOf(conf);
  return driver.listPools()
    .filter((pool) => pool.owner.engine === owner.engine && pool.owner.id === owner.id)
    .flatMap((pool) => pool.claims.map((claim) => ({ pool: pool.id, ...claim })));
}

/** Answers ADD: claims all addresses that are asked for, or one of each family, or none at all. */
export async function claimAddresses(call: Call): Promise<Result> {
  const { conf } = call;
  const subnets = conf.source.kind === "subnets" ? conf.source.subnets : [];
  const families = ([4, 6] satisfies Family[]).filter((family) =>
    subnets.some(({ subnet }) => familyOf(subnet) === family)
  );
  const outside = conf.ips.find((ip) => !families.includes(familyOf(ip)));
  if (outside !== undefined) {
    throw cniError(CODE.conf, `The address ${outside} is in no subnet of the configuration`);
  }
  try {
    const ips: ResultAddress[] = [];
    for (const family of families) {
      const asked = conf.ips.filter((ip) => familyOf(ip) === family);
      const own = subnets.filter(({ subnet }) => familyOf(subnet) === family);
      for (const address of asked.length > 0 ? asked : [undefined]) {
        ips.push(await claimOne(call, own, address));
      }
    }
    return { interfaces: [], ips, routes: conf.routes?.map(toResultRoute) ?? [] };
  } catch (error) {
    await releaseAddresses(call);
    throw error;
  }
}

/** Claims an address that is asked for, or the next free one of the subnets of a family. */
async function claimOne(
  { conf, environment, driver }: Call,
  own: readonly SubnetSpec[],
  address: string | undefined,
): Promise<ResultAddress> {
  const fit = address === undefined
    ? own
    : own.filter(({ subnet }) => contains(parsePrefix(subnet).prefix, parseAddress(address)));
  const candidates = fit.length > 0 ? fit : own;
  for (const [index, { subnet, ipRange, ...more }] of candidates.entries()) {
    const gateway = more.gateway === NO_GATEWAY ? undefined : more.gateway;
    try {
      const pool = { owner: ownerOf(conf), subnet, ipRange, gateway, ipam: ipamOf(conf) };
      const claimed = await driver.claimAddress(pool, { holder: holderOf(environment), address });
      return gateway === undefined ? claimed : { ...claimed, gateway };
    } catch (error) {
      const isLast = index === candidates.length - 1;
      if (!isExhausted(error) || isLast) throw error;
    }
  }
  throw new TypeError("A family without a subnet");
}

/** Answers DEL: releases the addresses of an attachment, if it has any. */
export async function releaseAddresses(call: Call): Promise<void> {
  const holder = holderOf(call.environment);
  for (const claim of claimsOf(call)) {
    if (claim.holder === holder) await call.driver.releaseAddress(claim.pool, claim.address);
  }
}

/** Answers CHECK: checks that an attachment has addresses. @throws {"cni"} It has none. */
// deno-lint-ignore require-await
export async function checkAddresses(call: Call): Promise<void> {
  const { environment, conf } = call;
  const holder = holderOf(environment);
  if (claimsOf(call).some((claim) => claim.holder === holder)) return;
  const sentence = `The container ${environment.containerId} has no address of the network ` +
    `"${conf.name}" for ${environment.ifname}`;
  throw cniError(CODE.changed, sentence);
}

/** Answers GC: releases the addresses of all attachments that are not valid. */
export async function collectAddresses(call: Call): Promise<void> {
  for (const { pool, address, holder } of claimsOf(call)) {
    const [containerId = "", ifname = ""] = holder.split("/");
    // Skip the claim of a gateway: its holder has no slash.
    if (ifname === "" || isValid(call.conf, { containerId, ifname })) continue;
    await call.driver.releaseAddress(pool, address);
  }
}

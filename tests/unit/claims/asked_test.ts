// What a host finds of a request that etcd did not answer: it was killed, or etcd was, just then.
import { assertEquals } from "@std/assert";
import { claimAddress, takeBlock } from "../../../lib/claims/blocks.ts";
import { Etcd, type Outcome, type Transaction } from "../../../lib/claims/etcd.ts";
import type { CallOptions } from "../../../lib/claims/gateway.ts";
import { hexOf } from "../../../lib/claims/keys.ts";
import { LastToken } from "../../../lib/claims/last_token.ts";
import { joinPool, poolId } from "../../../lib/claims/pool_key.ts";
import { Session } from "../../../lib/claims/session.ts";
import { findAsked, settlePool } from "../../../lib/claims/settle.ts";
import { Store } from "../../../lib/driver/store/store.ts";
import { parseAddress } from "../../../lib/ipam/address.ts";
import { MemoryEtcd } from "../../kit/memory_etcd.ts";
import { IpvlanError } from "../../../lib/base/errors.ts";
import { assertRejectsError } from "../../kit/errors.ts";

/** A client that loses the next change, or the answer to it. */
class LosingEtcd extends Etcd {
  loses: "request" | "answer" | undefined;

  override async transact(transaction: Transaction, options: CallOptions): Promise<Outcome> {
    const { loses } = this;
    const isChange = transaction.compare !== undefined;
    if (!isChange || loses === undefined) return await super.transact(transaction, options);
    this.loses = undefined;
    if (loses === "answer") await super.transact(transaction, options);
    throw new IpvlanError("etcd-unreachable", { reasons: {} });
  }
}

for (const what of ["block", "claim"] as const) {
  Deno.test(`a ${what} that etcd has although it did not answer is found, and one that it does not have is not`, async () => {
    const memory = await MemoryEtcd.start();
    const folder = Deno.makeTempDirSync();
    try {
      for (const loses of ["request", "answer"] as const) {
        const access = { endpoints: memory.endpoints, prefix: `/${loses}` };
        using store = Store.copy("/nowhere");
        using etcd = new LosingEtcd(access);
        const lastToken = new LastToken(`${folder}/run`, folder);
        const begin = () =>
          Session.begin({ store, hostname: "a", lastToken }, etcd, access, () => ({
            deadline: performance.now() + 60_000,
          }));
        const first = await begin();
        const subnet = "10.7.0.0/24";
        const id = poolId(access, subnet);
        await joinPool(first, {
          ...{ id, subnet, reserved: {}, access, prefix: access.prefix },
          ...{ revision: 0, next: undefined, leaving: false },
        });
        const records = store.shared;
        const pool = records.pool(id)!;
        const address = hexOf(parseAddress("10.7.0.77"));
        const request = { holder: { sandbox: "c1" }, since: "" };
        etcd.loses = loses;
        await assertRejectsError(
          () =>
            what === "block"
              ? takeBlock(first, pool, undefined)
              : claimAddress(first, pool, address, request),
          "etcd-unreachable",
        );
        // It is on record before etcd is asked.
        const onRecord = () => [
          ...records.blocks(id).map(({ state }) => state),
          ...records.addresses(id).map(({ state }) => state),
        ];
        assertEquals(onRecord(), ["asked"]);
        const second = await begin();
        assertEquals(second.isUnsure, true);
        await findAsked(second);
        assertEquals(second.isUnsure, false);
        // Nobody waits for the address any more. A block is this host's.
        const found = what === "block" ? "held" : "freed";
        assertEquals(onRecord(), loses === "answer" ? [found] : []);
        const inEtcd = async () => {
          const { keys } = second;
          const [blocks, claims] = await second.read(
            { key: keys.block(subnet), end: `${keys.block(subnet)}~` },
            { key: keys.claim(subnet), end: `${keys.claim(subnet)}~` },
          );
          return blocks!.length + claims!.length;
        };
        assertEquals(await inEtcd(), loses === "answer" ? 1 : 0);
        await settlePool(second, records.pool(id)!);
        assertEquals([onRecord(), await inEtcd()], [[], 0]);
        const third = await begin();
        assertEquals(third.isUnsure, false);
      }
    } finally {
      memory.killNow();
      Deno.removeSync(folder, { recursive: true });
    }
  });
}

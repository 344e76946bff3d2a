import { assertEquals, assertMatch } from "@std/assert";
import { accessProblems } from "../../../lib/claims/access.ts";
import { Keys } from "../../../lib/claims/keys.ts";

const problemsOf = (prefix: string) =>
  accessProblems({ endpoints: ["http://10.0.0.1:2379"], prefix }).map(({ message }) => message);

Deno.test("a prefix within the keys of another one, or around them, is refused in one line", () => {
  const keys = new Keys("/ipvlan");
  const kinds = [
    ...[keys.host(), keys.alive(), keys.heard(), keys.copy(), keys.network(), keys.pool()],
    ...[keys.block(), keys.claim(), keys.wish()],
  ].map((key) => key.replace(/\/$/, ""));
  for (const prefix of kinds) {
    for (const each of [prefix, `${prefix}/x`, `${prefix}/10.0.0.0-24/x`]) {
      const [message, ...others] = problemsOf(each);
      assertMatch(message ?? each, /^The etcd option prefix "\/ipvlan\/.*" is not valid: .*"\w+"/);
      assertEquals(others, []);
    }
    // The same words elsewhere are no keys of ours.
    const [, kind = ""] = prefix.split("/ipvlan/");
    for (const each of [`/${kind}`, `/${kind}-2/a`, `/a/${kind}s2`, `/a/my-${kind}/b`]) {
      assertEquals(problemsOf(each), [], each);
    }
  }
  assertEquals(problemsOf("/ipvlan/site-2/rack-7"), []);
  assertEquals(problemsOf("ipvlan/pools/").length, 1);
});

import { inEnv } from "../kit/processes.ts";
import { assertConsistent } from "../kit/look.ts";
import { temporaryFolder, withHost } from "../kit/worlds.ts";
import type { Attack } from "./attack.ts";
import { randomCall } from "./workload.ts";

/** What a broken `ip` does, as a script of sh(1). `$real` is the one that works. */
const BREAKAGES: Record<string, string> = {
  "prints garbage": "cat > /dev/null; echo a banner; exit 0",
  "says nothing": "cat > /dev/null; exit 0",
  "fails without a word": "cat > /dev/null; exit 1",
  "is killed before": "kill -s KILL $$",
  "is killed after": '"$real" "$@"; kill -s KILL $$',
  "runs half of the lines": 'lines=$(cat); n=$(printf "%s\\n" "$lines" | wc -l)\n' +
    'printf "%s\\n" "$lines" | head -n $((n / 2)) | "$real" "$@"; exit 255',
  "prints half of the answer": '"$real" "$@" | head -c 40; exit 0',
  "warns": 'echo "warning: this is old" >&2; exec "$real" "$@"',
  "prints a banner first": 'echo "a banner"; exec "$real" "$@"',
};

/** Breaks each n-th run of `ip`, counted in a file. */
const script = (breakage: string, every: number, real: string) =>
  `#!/bin/sh
real=${real}
file=\${0%/*}/count
count=$(cat "$file" 2> /dev/null || echo 0)
echo $((count + 1)) > "$file"
[ $((count % ${every})) = 0 ] || exec "$real" "$@"
${breakage}
`;

/** An `ip` that breaks now and then. Afterwards, a whole one must bring all together. */
export const BROKEN_IP: Attack = {
  name: "broken ip",
  round: (random, tally) =>
    withHost(async (host) => {
      await using folder = await temporaryFolder();
      const [how, breakage] = random.pick(Object.entries(BREAKAGES));
      const text = script(breakage, 2 + random.below(4), realIp());
      await Deno.writeTextFile(`${folder.path}/ip`, text, { mode: 0o755 });
      const whole = await host.driver();
      for (let calls = 0; calls < 15; calls++) await randomCall(whole, random);
      {
        using _path = inEnv("PATH", `${folder.path}:${Deno.env.get("PATH")}`);
        const broken = await host.driver();
        for (let calls = 0; calls < 15; calls++) await randomCall(broken, random);
      }
      tally.calls += 30;
      try {
        const { missing } = await whole.restore();
        if (missing.length > 0) throw new Error(`restore: ${JSON.stringify(missing)}`);
        await assertConsistent(host);
      } catch (error) {
        throw new Error(`an ip that ${how}`, { cause: error });
      }
    }),
};

/** Where `ip` is. */
function realIp(): string {
  for (const folder of Deno.env.get("PATH")!.split(":")) {
    try {
      if (Deno.statSync(`${folder}/ip`).isFile) return `${folder}/ip`;
    } catch {
      // Not in this one.
    }
  }
  throw new Error("There is no ip");
}

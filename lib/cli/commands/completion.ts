import { Ip } from "../../iproute2/ip.ts";
import type { Command } from "../command.ts";
import { readAccess } from "../option_values.ts";
import { usageError } from "../errors.ts";

/** The deadline for names from etcd, in milliseconds: the shell waits for them. */
const TIMEOUT = 1000;

/** The script of each shell. All of them call `ipvlan completion --complete`. */
export const SCRIPTS: Record<string, string> = {
  bash: `_ipvlan() {
  # In COMP_WORDS, "parent=eth0" is three words. What is completed is behind the last "=".
  local IFS=$' \\n' words word
  read -ra words <<<"\${COMP_LINE:0:COMP_POINT}x"
  words[-1]=\${words[-1]%x} word=\${words[-1]##*=} IFS=$'\\n'
  COMPREPLY=($(ipvlan completion --complete -- "\${words[@]:1}" 2>/dev/null))
  COMPREPLY=("\${COMPREPLY[@]#"\${words[-1]%"$word"}"}")
  [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$word"))
}
complete -F _ipvlan ipvlan`,
  zsh: `#compdef ipvlan
_ipvlan() {
  local -a found
  found=(\${(f)"$(ipvlan completion --complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( \${#found} )); then compadd -- $found; else _files; fi
}
compdef _ipvlan ipvlan`,
  fish: `function __ipvlan
  set -l words (commandline -opc) (commandline -ct)
  set -l found (ipvlan completion --complete -- $words[2..-1] 2>/dev/null)
  set -q found[1]; and printf '%s\\n' $found; or __fish_complete_path $words[-1]
end
complete -c ipvlan -f -a '(__ipvlan)'`,
};

export default {
  usage: "bash|zsh|fish [WORD...]",
  example: `ipvlan completion bash > /etc/bash_completion.d/ipvlan`,
  options: { "--complete": "print the completions of the last word after --" },
  async run(args, { command, complete, open, print }) {
    if (args.on("complete")) {
      // A user without rights gets no names of networks and sandboxes, but all other completions.
      await using driver = await open().catch(() => undefined);
      const found = await complete(args.positionals, {
        NETWORK: () => driver?.listNetworks().map(({ name }) => name) ?? [],
        SANDBOX: () => driver?.listSandboxes().map(({ name }) => name) ?? [],
        HOST: async () => {
          const hurried = driver?.withSignal(AbortSignal.timeout(TIMEOUT));
          try {
            return await hurried?.hostNames(readAccess({ values: () => [] })) ?? [];
          } catch {
            return []; // etcd does not answer, or its settings in the environment are wrong.
          }
        },
        LINK: async () => {
          const { possibleParents } = await import("../../driver/mod.ts");
          await using ip = await Ip.open();
          return possibleParents(await ip.link.show());
        },
      });
      found.forEach(print);
      return;
    }
    const [shell = ""] = args.positionals;
    const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
    if (script === undefined || args.positionals.length > 1) {
      const shells = Object.keys(SCRIPTS).join(", ");
      throw usageError(command, [`Unknown shell ${JSON.stringify(shell)}: give one of ${shells}`]);
    }
    print(script);
  },
} satisfies Command;

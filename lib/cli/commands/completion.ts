import type { Command } from "../command.ts";
import { complete } from "../complete.ts";
import { UsageError } from "../errors.ts";

/** What each shell has to be told. All of them ask `ipvlan completion --complete`. */
const SCRIPTS: Record<string, string> = {
  bash: `_ipvlan() {
  local IFS=$'\\n'
  COMPREPLY=($(ipvlan completion --complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}"))
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
  ipvlan completion --complete -- $words[2..-1] 2>/dev/null
end
complete -c ipvlan -a '(__ipvlan)'`,
};

const command: Command = {
  usage: "bash|zsh|fish",
  example: `ipvlan completion bash > /etc/bash_completion.d/ipvlan`,
  options: [{ name: "complete", help: "print what the words behind -- can be completed to" }],
  words: [0, Infinity],
  async run(words, { command, open, print }) {
    if (words.on("complete")) {
      // Without rights there are no names to be had, and that is no reason to complete nothing.
      await using driver = await open().catch(() => undefined);
      const found = await complete(words.words, {
        networks: () => driver?.listNetworks().map(({ name }) => name) ?? [],
        sandboxes: () => driver?.listSandboxes().map(({ name }) => name) ?? [],
      });
      found.forEach(print);
      return 0;
    }
    const [shell = ""] = words.words;
    const script = SCRIPTS[shell];
    if (script === undefined || words.words.length > 1) {
      const shells = Object.keys(SCRIPTS).join(", ");
      throw new UsageError(command, [`Name one shell of ${shells}, not ${JSON.stringify(shell)}`]);
    }
    print(script);
    return 0;
  },
};
export default command;

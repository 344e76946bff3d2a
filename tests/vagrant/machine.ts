import { PROJECT, type Ran, run } from "./checks.ts";

/** A machine of the Vagrantfile, reached over one connection of ssh that is kept open. */
export class Machine implements Disposable {
  /** Its name in the Vagrantfile. */
  readonly name: string;
  #options: string[];

  /** Names the machine; the connection is made with the first command. */
  constructor(name: string, config: string) {
    this.name = name;
    this.#options = [
      ...["-F", config, "-o", "LogLevel=ERROR", "-o", "ControlMaster=auto"],
      ...["-o", `ControlPath=${config}.${name}`, "-o", "ControlPersist=yes"],
    ];
  }

  /** Runs a script there, as root. */
  try(script: string): Promise<Ran> {
    const words = `sudo -n sh -c '${script.replaceAll("'", `'\\''`)}'`;
    return run("ssh", [...this.#options, this.name, words]);
  }

  /** Runs a script there, as root, and returns what it prints. @throws if it fails. */
  async sh(script: string): Promise<string> {
    const { code, stdout, stderr } = await this.try(script);
    if (code !== 0) throw new Error(`${this.name}: ${script}: ${code}: ${stderr}${stdout}`);
    return stdout.trim();
  }

  /** Closes the connection. */
  [Symbol.dispose](): void {
    const args = [...this.#options, "-O", "exit", this.name];
    new Deno.Command("ssh", { args }).outputSync();
  }
}

/**
 * Machines that run.
 *
 * @param folder Where files of the connections may be.
 */
export async function machines(
  folder: string,
  names: string[],
  env: Record<string, string> = {},
): Promise<Machine[]> {
  const config = `${folder}/ssh-config`;
  const { code, stdout, stderr } = await run("vagrant", ["ssh-config", ...names], {
    cwd: `${PROJECT}/lab`,
    env,
  });
  if (code !== 0) throw new Error(`vagrant ssh-config failed: ${stderr}${stdout}`);
  await Deno.writeTextFile(config, stdout);
  return names.map((name) => new Machine(name, config));
}

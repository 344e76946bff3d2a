import type { Ran } from "../kit/processes.ts";
import { PROJECT, run } from "./checks.ts";

/** A machine of the Vagrantfile, over one ssh connection, which stays open. */
export class Machine implements Disposable {
  /** Its name in the Vagrantfile. */
  readonly name: string;
  #options: string[];

  /** Makes the object. The first command opens the connection. */
  constructor(name: string, config: string) {
    this.name = name;
    this.#options = [
      ...["-F", config, "-o", "LogLevel=ERROR", "-o", "ControlMaster=auto"],
      ...["-o", `ControlPath=${config}.${name}`, "-o", "ControlPersist=yes"],
    ];
  }

  /** Runs a script in the machine, as root. */
  try(script: string): Promise<Ran> {
    const words = `sudo -n sh -c '${script.replaceAll("'", `'\\''`)}'`;
    return run("ssh", [...this.#options, this.name, words]);
  }

  /** Runs a script in the machine, as root, and returns its output. @throws if it fails. */
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
 * Makes objects for running machines.
 *
 * @param folder A folder for the files of the connections.
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

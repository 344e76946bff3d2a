import {
  deleteName,
  makeNamespace,
  nameNamespace,
  namesOfNamespaces,
} from "../netlink/namespace.ts";
import { ask, type Change, make, NeedsProgram, type Runner } from "./runner.ts";
import { netnsName, wholeNumber } from "./words.ts";

/** The change `netns add …`. @throws {"invalid-word"} The name is invalid. */
export function netnsAdd(name: string): Change {
  return {
    line: `netns add ${netnsName(name)}`,
    send: ({ libc }) => makeNamespace(libc, name),
  };
}

/** The change `netns attach …`. @throws {"invalid-word"} The name or the process id is invalid. */
export function netnsAttach(name: string, pid: number): Change {
  return {
    line: `netns attach ${netnsName(name)} ${wholeNumber(pid, "process id", 1, 0x7fff_ffff)}`,
    send: ({ libc }) => nameNamespace(libc, name, pid),
  };
}

/** The change `netns del …`. @throws {"invalid-word"} The name is invalid. */
export function netnsDel(name: string): Change {
  return { line: `netns del ${netnsName(name)}`, send: ({ libc }) => deleteName(libc, name) };
}

/**
 * The verbs of `ip netns`.
 *
 * @example
 * ```ts
 * import { Ip } from "@ipvlan/kit/ip";
 *
 * await using ip = await Ip.open();
 * await ip.netns.add("red");
 * await ip.link.add({ type: "dummy", name: "d0", netns: "red" });
 * await ip.netns.del("red");
 * ```
 */
export class NetnsVerbs {
  /** Makes the verbs of one runner. */
  constructor(private readonly runner: Runner) {}

  /** Makes a named network namespace. @throws {"ip-command"} It exists (`errno` is `EEXIST`). */
  async add(name: string): Promise<void> {
    await make(this.runner, netnsAdd(name));
  }

  /** Gives the namespace of a process a name. @throws {"ip-command"} There is no such process. */
  async attach(name: string, pid: number): Promise<void> {
    await make(this.runner, netnsAttach(name, pid));
  }

  /** Deletes a name; the namespace goes when no process is left in it. */
  async del(name: string): Promise<void> {
    await make(this.runner, netnsDel(name));
  }

  /** The names of all network namespaces. */
  async list(): Promise<string[]> {
    const rows = await ask(this.runner, "netns list", () => {
      // The folder is read without netlink.
      const names = namesOfNamespaces();
      if (!names) throw new NeedsProgram();
      return names.map((name) => ({ name }));
    });
    return rows.map(({ name }) => name as string);
  }
}

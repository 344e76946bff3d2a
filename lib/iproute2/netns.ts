import { deleteName, makeNamespace, nameNamespace } from "../netlink/namespace.ts";
import { type Change, make, type Runner } from "./runner.ts";
import { netnsName, wholeNumber } from "./words.ts";

/** A named network namespace. */
export interface Netns {
  /** Its name: a file under `/run/netns`. */
  name: string;
  /**
   * Its id in the namespace that ran the query; `undefined` if it has none yet. Each namespace numbers
   * the others by itself (`ip netns list-id` in ip-netns(8)).
   */
  id?: number;
}

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
    return (await this.show()).map(({ name }) => name);
  }

  /** The ids that this namespace has for others, each with its name if it has one. */
  async listIds(): Promise<{ id: number; name?: string }[]> {
    const rows = await this.runner.query("netns list-id");
    return rows.map(({ nsid, name }) => ({
      id: nsid as number,
      name: name as string | undefined,
    }));
  }

  /** All named network namespaces, with the ids that this namespace has for them. */
  async show(): Promise<Netns[]> {
    const rows = await this.runner.query("netns list");
    return rows.map(({ name, id }) => ({ name: name as string, id: id as number | undefined }));
  }
}

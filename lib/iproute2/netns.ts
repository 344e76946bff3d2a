import { type Reader, u32, type Writer } from "../netlink/message.ts";
import {
  deleteName,
  makeNamespace,
  nameNamespace,
  namesOfNamespaces,
  openNamespace,
} from "../netlink/namespace.ts";
import { SystemError } from "../netlink/libc.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";
import { ask, type Change, make, NeedsProgram, type Runner } from "./runner.ts";
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
    return await ask(this.runner, {
      line: "netns list",
      part: "names",
      parse: (rows) => rows.map(({ name }) => name as string),
      read: allNames,
    });
  }

  /** The ids that this namespace has for others, each with its name if it has one. */
  async listIds(): Promise<{ id: number; name?: string }[]> {
    return await ask(this.runner, {
      line: "netns list-id",
      parse: (rows) =>
        rows.map(({ nsid, name }) => ({ id: nsid as number, name: name as string | undefined })),
      read: (socket) => {
        const names = new Map(readNetns(socket).map(({ id, name }) => [id, name]));
        const request = { type: RTM_GETNSID, write: (writer: Writer) => writer.u32(0) };
        return socket.list(request, idIn).map((id) => ({ id, name: names.get(id) }));
      },
    });
  }

  /** All named network namespaces, with the ids that this namespace has for them. */
  async show(): Promise<Netns[]> {
    return await ask(this.runner, {
      line: "netns list",
      parse: (rows) =>
        rows.map(({ name, id }) => ({ name: name as string, id: id as number | undefined })),
      read: readNetns,
    });
  }
}

/** The message that asks for the id of a namespace, and its attributes (`net_namespace.h`). */
const RTM_GETNSID = 90;
const [NETNSA_NSID, NETNSA_FD] = [1, 3];

/** The names. The folder is read without netlink. */
function allNames(): string[] {
  const names = namesOfNamespaces();
  if (!names) throw new NeedsProgram();
  return names;
}

function readNetns(socket: NetlinkSocket): Netns[] {
  return allNames().map((name) => ({ name, id: idOf(socket, name) }));
}

/** The id of a namespace; `undefined` also for a file that leads to none. */
function idOf(socket: NetlinkSocket, name: string): number | undefined {
  try {
    using file = openNamespace(socket.libc, `/run/netns/${name}`, name);
    return socket.ask({
      type: RTM_GETNSID,
      write: (writer) => writer.u32(0).attribute(NETNSA_FD, u32(file.fd)),
    }, idIn);
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

/** The id in a message. The kernel answers -1 if there is none. */
function idIn(body: Reader): number | undefined {
  const id = body.after(4).get(NETNSA_NSID)?.i32() ?? -1;
  return id < 0 ? undefined : id;
}

import { attempt, type IpvlanErrorOf } from "../../base/errors.ts";
import { isNetnsPath, linkName } from "../../iproute2/words.ts";
import { cniError, CODE } from "./errors.ts";
import { show } from "../../base/reader.ts";
import { splitPair, type Variables } from "../plugins.ts";

const COMMANDS = ["ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"] as const;

export type CniCommand = typeof COMMANDS[number];

/** Identifies an attachment, which is a link of a container. */
export interface AttachmentKey {
  containerId: string;
  ifname: string;
}

/** The variables of a call. The field of a wrong variable is empty. */
export interface Environment extends AttachmentKey {
  /** The command; `undefined` if it is unknown. */
  command?: CniCommand;
  netns: string;
  /** The address that `CNI_ARGS` asks for: `IP=192.168.1.77`. */
  ip?: string;
  /** The pod that `CNI_ARGS` names: `default/db-0`. */
  pod?: string;
  /** The folders in which to look for plugins. */
  path: string[];
  problems: IpvlanErrorOf<"cni">[];
}

/** The arguments that name a pod of Kubernetes, which keeps these names when it is made anew. */
export const POD_KEYS = ["K8S_POD_NAMESPACE", "K8S_POD_NAME"];

/** The name of a network or a pod, or a container's id (CNI 1.1, sections 1 and 2). */
export const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

const ABOUT_ATTACHMENT: readonly string[] = ["ADD", "DEL", "CHECK"];

export function readEnvironment(variables: Variables): Environment {
  const problems: IpvlanErrorOf<"cni">[] = [];
  const wrong = (name: string, rule: string) => {
    const shown = show(variables[name] || undefined);
    problems.push(cniError(CODE.environment, `The variable ${name} is ${shown}: ${rule}`));
  };
  const value = (name: string) => variables[name] ?? "";
  const command = COMMANDS.find((each) => each === variables.CNI_COMMAND);
  if (command === undefined) wrong("CNI_COMMAND", `give one of ${COMMANDS.join(", ")}`);
  const read: Environment = {
    command,
    containerId: value("CNI_CONTAINERID"),
    ifname: value("CNI_IFNAME"),
    netns: value("CNI_NETNS"),
    path: value("CNI_PATH").split(":").filter((folder) => folder !== ""),
    problems,
  };
  if (command === undefined || !ABOUT_ATTACHMENT.includes(command)) return read;
  if (!NAME.test(read.containerId)) {
    wrong("CNI_CONTAINERID", "give letters and digits, and after the first also _ . and -");
  }
  if (!attempt(() => linkName(read.ifname)).ok) {
    wrong("CNI_IFNAME", "give the name of a link, of at most 15 characters");
  }
  if (command === "DEL") return read;
  if (!isNetnsPath(read.netns)) {
    wrong("CNI_NETNS", "give the absolute path of a network namespace");
  }
  const words = value("CNI_ARGS").split(";").filter((word) => word !== "");
  if (!words.every((word) => word.includes("="))) {
    wrong("CNI_ARGS", "give pairs such as IgnoreUnknown=1;IP=192.168.1.77");
    return read;
  }
  const args = new Map(words.map(splitPair));
  if (args.has("MAC")) {
    wrong("CNI_ARGS", "an ipvlan link has the MAC address of its parent, so leave MAC out");
  }
  read.ip = args.get("IP");
  const pod = POD_KEYS.map((key) => args.get(key) ?? "");
  if (pod.every((name) => NAME.test(name))) read.pod = pod.join("/");
  return read;
}

// Reads `--user` of `run` and `exec`, as Docker does: a user and a group, each by name or number.
import { invalidOption } from "../../base/errors.ts";

export interface User {
  uid: number;
  gid: number;
  /** The ids of the user's supplementary groups; none if a group was given. */
  groups: number[];
  /** The user's home; `undefined` if the user is a number without a name. */
  home?: string;
}

function fieldsOf(text: string): string[][] {
  return text.split("\n").filter((line) => line !== "").map((line) => line.split(":"));
}

/** Reads `USER` or `USER:GROUP`, with the texts of `/etc/passwd` and `/etc/group`. */
export function readUser(text: string, passwd: string, group: string): User {
  const [, userText = "", groupText] = /^([^:]*)(?::(.+))?$/s.exec(text) ?? [];
  const groups = fieldsOf(group);
  const entry = fieldsOf(passwd).find(([name, , uid]) => name === userText || uid === userText);
  if (!entry && !isId(userText)) {
    throw invalidOption("user", text, `there is no user "${userText}" in /etc/passwd`);
  }
  const [name, , uid = userText, ownGroup = "0", , home] = entry ?? [];
  const groupEntry = groups.find(([name, , gid]) => name === groupText || gid === groupText);
  if (groupText !== undefined && !groupEntry && !isId(groupText)) {
    throw invalidOption("user", text, `there is no group "${groupText}" in /etc/group`);
  }
  const others = groups.filter(([, , , members = ""]) =>
    name !== undefined && members.split(",").includes(name)
  );
  return {
    uid: Number(uid),
    gid: Number(groupText === undefined ? ownGroup : groupEntry?.[2] ?? groupText),
    groups: groupText === undefined ? others.map(([, , gid]) => Number(gid)) : [],
    ...(home !== undefined && { home }),
  };
}

/** Whether a text is a user or group id: a 32-bit number below the highest. */
function isId(text: string): boolean {
  return /^\d{1,10}$/.test(text) && Number(text) < 0xffffffff;
}

/** The setpriv(1) words that run the following command as a user. */
export function asUser({ uid, gid, groups }: User): string[] {
  const others = groups.length > 0 ? `--groups=${groups.join(",")}` : "--clear-groups";
  return ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, others, "--"];
}

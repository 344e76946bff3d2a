/**
 * Reads `--user` of `run` and `exec`, as Docker does: a user and a group, each by name or number.
 *
 * @module
 */
import { invalidOption } from "../../base/errors.ts";

/** A user to run a command as. */
export interface User {
  /** The user's id. */
  uid: number;
  /** The id of the user's group. */
  gid: number;
  /** The ids of the other groups that the user is in; none if a group was given. */
  groups: number[];
  /** The user's home; `undefined` if the user is a number without a name. */
  home?: string;
}

/** The lines of a file such as `/etc/passwd`, as fields. */
function fieldsOf(text: string): string[][] {
  return text.split("\n").filter((line) => line !== "").map((line) => line.split(":"));
}

/** Reads `USER` or `USER:GROUP` by the text of `/etc/passwd` and that of `/etc/group`. */
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

/** Whether a text is the number of a user or a group: 32 bits wide, but not the highest value. */
function isId(text: string): boolean {
  return /^\d{1,10}$/.test(text) && Number(text) < 0xffffffff;
}

/** The words before a command that run it as a user (setpriv(1)). */
export function asUser({ uid, gid, groups }: User): string[] {
  const others = groups.length > 0 ? `--groups=${groups.join(",")}` : "--clear-groups";
  return ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, others, "--"];
}

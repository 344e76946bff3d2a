import { IpvlanError, type IpvlanErrorOf, isIpvlanError, throwProblems } from "../base/errors.ts";
import type { EtcdAccess } from "./types.ts";

type OptionProblem = IpvlanErrorOf<"etcd-option">;

/** Makes the error for an option of the access to etcd, or for a file that it names. */
export function etcdOption(option: string, value: string, rule: string): OptionProblem {
  return new IpvlanError("etcd-option", { option, value, rule });
}

/** An access with the contents of its files in place of their paths. */
export type EtcdFiles =
  & Pick<EtcdAccess, "endpoints" | "ca" | "cert" | "key" | "user">
  & { password?: string };

const PREFIX = "/ipvlan";

/** Finds the kind of a key, the word after its prefix: see `Keys`. */
const KINDS =
  /\/[^/]+.*\/(hosts|alive|heard|copies|networks|pools|blocks|claims|reservations|wishes)(\/|$)/;

/** Returns the prefix of an access, without a final slash. @throws {"etcd-option"} It is not valid. */
export function prefixOf({ prefix = PREFIX }: EtcdAccess): string {
  const problem = prefixProblem(prefix);
  if (problem) throw problem;
  return prefix;
}

/** The options that need another one, and what that is. */
const PAIRS = [
  ["cert", "key", "the file of its key"],
  ["key", "cert", "the file of its certificate"],
  ["user", "passwordFile", "the file of the password"],
  ["passwordFile", "user", "the user"],
] as const;

/** Finds what is wrong with an access, without reading its files. */
export function accessProblems(access: EtcdAccess): OptionProblem[] {
  const { endpoints, prefix = PREFIX } = access;
  const problems = endpoints.map(endpointProblem);
  if (endpoints.length === 0) {
    problems.push(etcdOption("endpoints", "", "give at least one: https://10.0.0.1:2379"));
  }
  for (const [name, needed, what] of PAIRS) {
    const value = access[name];
    if (value === undefined || access[needed] !== undefined) continue;
    const option = name === "passwordFile" ? "password-file" : name;
    problems.push(etcdOption(option, value, `give ${what} too`));
  }
  problems.push(prefixProblem(prefix));
  return problems.filter((problem) => problem !== undefined);
}

/** Checks an access and reads its files. @throws {"etcd-option"} An option or file is wrong. */
export function readAccess(access: EtcdAccess): EtcdFiles {
  const problems = accessProblems(access);
  const read = (option: string, path: string | undefined, isSecret: boolean) => {
    if (path === undefined) return undefined;
    try {
      if (isSecret) requirePrivate(option, path);
      return Deno.readTextFileSync(path);
    } catch (error) {
      problems.push(
        isIpvlanError(error, "etcd-option") ? error : etcdOption(option, path, reason(error)),
      );
    }
  };
  const ca = read("ca", access.ca, false);
  const cert = read("cert", access.cert, false);
  const key = read("key", access.key, true);
  const password = read("password-file", access.passwordFile, true)?.replace(/\r?\n$/, "");
  for (const [option, text] of Object.entries({ ca, cert, key })) {
    if (text === undefined || text.includes("-----BEGIN ")) continue;
    problems.push(etcdOption(option, access[option as "ca"]!, "it is not a PEM file"));
  }
  if (password === "") {
    problems.push(etcdOption("password-file", access.passwordFile!, "it is empty"));
  }
  throwProblems(problems);
  const endpoints = access.endpoints.map((endpoint) => endpoint.replace(/\/$/, ""));
  return { endpoints, ca, cert, key, user: access.user, password };
}

function requirePrivate(option: string, path: string): void {
  const { mode } = Deno.statSync(path);
  if (mode === null || (mode & 0o077) === 0) return;
  throw etcdOption(option, path, `others may read the file: chmod 600 ${path}`);
}

function endpointProblem(endpoint: string): OptionProblem | undefined {
  const url = URL.parse(endpoint);
  // The text may have a password in it, so it is not shown.
  if (url && (url.username !== "" || url.password !== "")) {
    return etcdOption("endpoints", url.host, "give the user and a password file instead");
  }
  const isRoot = url?.pathname === "/" && url.search === "" && url.hash === "";
  if (url && /^https?:$/.test(url.protocol) && isRoot) return undefined;
  return etcdOption("endpoints", endpoint, "write it like https://10.0.0.1:2379");
}

function prefixProblem(prefix: string): OptionProblem | undefined {
  const [, kind] = KINDS.exec(prefix) ?? [];
  // Its keys would mix with those of a shorter or a longer prefix.
  const rule = kind === undefined
    ? "write it like /ipvlan or /ipvlan/site-2"
    : `the keys of a shorter prefix have "${kind}" there: use another word`;
  if (kind === undefined && /^(\/[\w.-]+)+$/.test(prefix)) return undefined;
  return etcdOption("prefix", prefix, rule);
}

function reason(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.PermissionDenied) return "it may not be read";
  return (error as Error).message;
}

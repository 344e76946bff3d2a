// The image of a `docker run` line. There are none here: a sandbox has this machine's files.
import { attempt, IpvlanError, isIpvlanError } from "../../base/errors.ts";
import { requireCommand } from "../process.ts";

const KNOWN = new Set(
  ("almalinux alpine amazonlinux archlinux bash busybox caddy centos debian eclipse-temurin " +
    "elasticsearch fedora gcc golang haproxy hello-world httpd influxdb mariadb memcached mongo " +
    "mysql nginx node openjdk perl php postgres python rabbitmq redis registry rockylinux ruby " +
    "rust traefik ubuntu").split(" "),
);

/** The form of an image's name: `alpine`, `ubuntu:22.04`, `ghcr.io/x/y:z`, `x@sha256:…`. */
const REFERENCE = /^[a-z0-9]+([._:/-]+[A-Za-z0-9_]+)*(@sha256:[0-9a-f]+)?$/;

/** Whether the first word behind `run` that is no program is likely the name of an image. */
export function looksLikeImage([word = "", next]: readonly string[], folder?: string): boolean {
  if (!REFERENCE.test(word)) return false;
  if (KNOWN.has(word) || /[/:@]/.test(word)) return true;
  return next !== undefined && attempt(() => requireCommand(next, folder)).ok;
}

/** Checks that a command can be run. If its name looks like an image, the error says what to do. */
export function requireNoImage(words: readonly string[], folder?: string): void {
  const [command = ""] = words;
  try {
    requireCommand(command, folder);
  } catch (error) {
    if (!isIpvlanError(error, "command-unusable") || !looksLikeImage(words, folder)) throw error;
    const reason =
      "it looks like an image, and there are no images here, a sandbox has this machine's files: " +
      "leave the word out, or give --image to have it dropped";
    throw new IpvlanError("command-unusable", { command, status: error.status, reason });
  }
}

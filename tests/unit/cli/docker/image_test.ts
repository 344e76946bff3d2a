import { assertEquals } from "@std/assert";
import { ignoresImage, looksLikeImage, requireNoImage } from "../../../../lib/cli/docker/image.ts";
import { inEnv } from "../../../kit/processes.ts";
import { assertThrowsError } from "../../../kit/errors.ts";

const CASES: [words: string, isImage: boolean][] = [
  ["alpine", true],
  ["alpine /bin/sh", true],
  ["busybox", true],
  ["ubuntu:22.04 ls", true],
  ["x/y:z", true],
  ["ghcr.io/x/y-z:1.2_3", true],
  ["localhost:5000/x", true],
  [`alpine@sha256:${"0a".repeat(32)}`, true],
  ["my-image /bin/sh", true],
  ["my-image sh -c true", true],
  ["no-such-command", false],
  ["no-such-command --option", false],
  ["/no/such/file", false],
  ["./file /bin/sh", false],
  ["../x", false],
  ["No-Such /bin/sh", false],
  ["", false],
];

for (const [words, isImage] of CASES) {
  Deno.test(`"${words}" ${isImage ? "is" : "is not"} taken for an image`, () => {
    assertEquals(looksLikeImage(words.split(" ")), isImage);
  });
}

Deno.test("an image is explained, with the status of a command that does not exist", () => {
  const error = assertThrowsError(
    () => requireNoImage(["alpine:3", "/bin/sh"]),
    "command-unusable",
  );
  assertEquals([error.status, error.message], [
    127,
    'The command "alpine:3" cannot be run: it looks like an image, and there are no images here, ' +
    "a sandbox has this machine's files: leave the word out, or give --image or set " +
    "IPVLAN_IGNORE_IMAGE=1 to have it dropped",
  ]);
  assertThrowsError(
    () => requireNoImage(["no-such-command"]),
    "command-unusable",
    "it is not on PATH",
  );
  requireNoImage(["sh"]);
});

Deno.test("the image is dropped by --image, or by a variable that is true", () => {
  for (const [value, drops] of [["1", true], ["true", true], ["0", false], ["", false]] as const) {
    using _variable = inEnv("IPVLAN_IGNORE_IMAGE", value);
    assertEquals([ignoresImage(false), ignoresImage(true)], [drops, true]);
  }
  using _variable = inEnv("IPVLAN_IGNORE_IMAGE", "yes");
  assertThrowsError(() => ignoresImage(false), "invalid-option", "IPVLAN_IGNORE_IMAGE");
});

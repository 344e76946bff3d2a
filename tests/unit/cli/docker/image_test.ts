import { assertEquals } from "@std/assert";
import { looksLikeImage, requireNoImage } from "../../../../lib/cli/docker/image.ts";
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
    "a sandbox has this machine's files: leave the word out, or give --image to " +
    "have it dropped",
  ]);
  assertThrowsError(
    () => requireNoImage(["no-such-command"]),
    "command-unusable",
    "it is not on PATH",
  );
  requireNoImage(["sh"]);
});

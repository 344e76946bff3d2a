import { assertEquals } from "@std/assert";
import { asUser, readUser } from "../../../../lib/cli/docker/user.ts";
import { assertThrowsError } from "../../../kit/errors.ts";

const PASSWD = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1001:Ann:/home/ann:/bin/sh\n";
const GROUP = "root:x:0:\nann:x:1001:\naudio:x:29:bob,ann\nvideo:x:44:ann\nempty:x:50:\n";

const USERS: [text: string, words: string][] = [
  ["ann", "--reuid=1000 --regid=1001 --groups=29,44"],
  ["1000", "--reuid=1000 --regid=1001 --groups=29,44"],
  ["root", "--reuid=0 --regid=0 --clear-groups"],
  ["ann:audio", "--reuid=1000 --regid=29 --clear-groups"],
  ["ann:44", "--reuid=1000 --regid=44 --clear-groups"],
  ["4711", "--reuid=4711 --regid=0 --clear-groups"],
  ["4711:4712", "--reuid=4711 --regid=4712 --clear-groups"],
  ["4294967294:4294967294", "--reuid=4294967294 --regid=4294967294 --clear-groups"],
  ["root:ann", "--reuid=0 --regid=1001 --clear-groups"],
];

for (const [text, words] of USERS) {
  Deno.test(`--user ${text} is ${words}`, () => {
    assertEquals(asUser(readUser(text, PASSWD, GROUP)).join(" "), `setpriv ${words} --`);
  });
}

Deno.test("a user's home goes with the user", () => {
  assertEquals(readUser("ann", PASSWD, GROUP).home, "/home/ann");
  assertEquals("home" in readUser("4711", PASSWD, GROUP), false);
});

Deno.test("a user or group that does not exist is refused", () => {
  for (
    const text of [
      "bob",
      "ann:bob",
      ":audio",
      "ann:",
      "-1",
      "4294967295",
      "ann:4294967295",
      "12345678901",
      "ann:audio:x",
      "a b",
    ]
  ) {
    assertThrowsError(() => readUser(text, PASSWD, GROUP), "invalid-option", JSON.stringify(text));
  }
});

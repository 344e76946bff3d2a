import { assertEquals, assertThrows } from "@std/assert";
import { systemdUnit } from "../../../lib/cli/unit.ts";
import { InvalidOptionError } from "../../../lib/driver/errors.ts";

Deno.test("a unit starts the program in the environment that it needs", () => {
  const unit = systemdUnit(["/opt/deno", "run", "-A", "/srv/kit/cli.ts"], {
    HOME: "/root",
    XDG_CACHE_HOME: "/srv/cache",
    IPVLAN_STATE_DIR: "/srv/state",
    TERM: "dumb",
  });
  assertEquals(unit.split("\n").filter((line) => /^(Environment|ExecStart)=/.test(line)), [
    "Environment=HOME=/root",
    "Environment=XDG_CACHE_HOME=/srv/cache",
    "Environment=IPVLAN_STATE_DIR=/srv/state",
    "ExecStart=/opt/deno run -A /srv/kit/cli.ts restore --wait 60",
  ]);
});

Deno.test("special characters in a unit are escaped", () => {
  const unit = systemdUnit(["/a b/deno", 'c"d\\e', "50%", "$f"], { HOME: "/ro ot/$x" });
  assertEquals(unit.split("\n").filter((line) => /^(Environment|ExecStart)=/.test(line)), [
    'Environment="HOME=/ro ot/$x"',
    'ExecStart="/a b/deno" "c\\"d\\\\e" 50%% $$f restore --wait 60',
  ]);
});

Deno.test("a unit takes no variable that is another line, or another folder for systemd", () => {
  for (const path of ["/srv\nExecStartPre=/bin/x", "/srv/\u0007", "state", "./state"]) {
    assertThrows(
      () => systemdUnit(["/opt/deno"], { IPVLAN_STATE_DIR: path }),
      InvalidOptionError,
      "IPVLAN_STATE_DIR",
    );
  }
});

import { assertEquals } from "@std/assert";
import { debianSources, plannedPackages } from "../../../lab/fetch/apt.ts";

const KEYRING = "/keys.gpg";

Deno.test("debianSources() uses each Debian archive of the machine's own sources once", () => {
  const targets = `Packages http://mirror.example/debian/ bookworm main
Translations http://mirror.example/debian/ bookworm main
Packages http://mirror.example/debian/ bookworm contrib
Packages http://mirror.example/debian/ bookworm main
Packages http://mirror.example/debian/ bookworm-updates main
Packages http://mirror.example/debian-security/ bookworm-security main
Packages https://other.example/tool/ tool-bookworm main
`;
  assertEquals(
    debianSources("forky", KEYRING, targets),
    `deb [signed-by=${KEYRING}] http://mirror.example/debian/ forky main\n`,
  );
});

Deno.test("debianSources() also recognizes Debian's archive by a suite such as stable", () => {
  const line = "Packages http://mirror.example/debian/ stable main";
  assertEquals(
    debianSources("forky", KEYRING, line),
    `deb [signed-by=${KEYRING}] http://mirror.example/debian/ forky main\n`,
  );
});

Deno.test("debianSources() uses Debian's public archive if the machine's sources are not Debian's", () => {
  const sources = `deb [signed-by=${KEYRING}] http://deb.debian.org/debian forky main\n`;
  assertEquals(debianSources("forky", KEYRING, ""), sources);
  assertEquals(debianSources("forky", KEYRING, "E: Invalid operation indextargets"), sources);
  const ubuntu = "Packages http://mirror.example/ubuntu/ noble main";
  assertEquals(debianSources("forky", KEYRING, ubuntu), sources);
});

Deno.test("plannedPackages() parses the packages that apt-get would download", () => {
  const text =
    `'http://archive/pool/q_1%3a7.2_amd64.deb' q_1%3a7.2+dfsg-7+b3_amd64.deb 9281168 SHA256:00
Reading package lists...
'http://archive/pool/s_all.deb' seabios_1.16.2-1_all.deb 162656 SHA256:11
`;
  assertEquals(plannedPackages(text), [
    { name: "q", version: "1:7.2+dfsg-7+b3", size: 9281168 },
    { name: "seabios", version: "1.16.2-1", size: 162656 },
  ]);
  assertEquals(plannedPackages("Reading package lists...\n"), []);
});

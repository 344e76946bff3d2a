import { assertEquals } from "@std/assert";
import { debianSources, plannedPackages } from "../../../lab/apt.ts";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

Deno.test("debianSources() takes the archive that the machine's release comes from, once", () => {
  const targets = `Packages http://mirror.example/debian/ bookworm main
Translations http://mirror.example/debian/ bookworm main
Packages http://mirror.example/debian/ bookworm contrib
Packages http://mirror.example/debian/ bookworm main
Packages http://mirror.example/debian/ bookworm-updates main
Packages http://mirror.example/debian-security/ bookworm-security main
Packages https://other.example/tool/ tool-bookworm main
`;
  assertEquals(
    debianSources("forky", "bookworm", targets),
    `deb [signed-by=${KEYRING}] http://mirror.example/debian/ forky main\n`,
  );
});

Deno.test("debianSources() knows the archive by a suite, too", () => {
  const line = "Packages http://mirror.example/debian/ stable main";
  assertEquals(
    debianSources("forky", "trixie", line),
    `deb [signed-by=${KEYRING}] http://mirror.example/debian/ forky main\n`,
  );
});

Deno.test("debianSources() finds nothing where no archive is Debian's", () => {
  assertEquals(debianSources("forky", "", ""), "");
  assertEquals(debianSources("forky", "noble", "E: Invalid operation indextargets"), "");
});

Deno.test("plannedPackages() reads what apt-get would download", () => {
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

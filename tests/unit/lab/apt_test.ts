import { assertEquals } from "@std/assert";
import { debianSources } from "../../../lab/apt.ts";

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

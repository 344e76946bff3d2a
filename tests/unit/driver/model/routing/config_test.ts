import { assertEquals } from "@std/assert";
import { accept } from "../../../../../lib/base/errors.ts";
import {
  type ConfigWords,
  readConfig,
  routingConfig,
} from "../../../../../lib/driver/model/routing_config.ts";

/** The golden files: the words of a command line, by the name of the file. */
const GOLDEN: Record<string, ConfigWords> = {
  "frr.conf": { daemon: "frr", neighbors: [] },
  "frr_neighbors.conf": {
    ...{ daemon: "frr", asn: "65001" },
    neighbors: ["172.16.0.1", "2001:DB8:0::1", "172.16.1.1", "172.16.0.1"],
  },
  "bird.conf": { daemon: "bird", neighbors: [] },
  "bird_neighbors.conf": {
    ...{ daemon: "bird", asn: "4200000001" },
    neighbors: ["172.16.0.1", "2001:db8::1"],
  },
};

for (const [file, words] of Object.entries(GOLDEN)) {
  Deno.test(`the configuration is that of ${file}`, async () => {
    const { daemon, peers } = accept(readConfig(words));
    const text = routingConfig(daemon, peers);
    const path = new URL(`golden/${file}`, import.meta.url);
    if (Deno.env.get("UPDATE_GOLDEN")) await Deno.writeTextFile(path, text);
    const hint = "UPDATE_GOLDEN=1 deno test -A tests/unit/driver/model writes it again";
    assertEquals(text, await Deno.readTextFile(path), hint);
  });
}

Deno.test("all that is wrong with the words is said at once", () => {
  const said = (words: ConfigWords) => {
    const read = readConfig(words);
    return read.ok ? [] : read.problems.map(({ message }) => message);
  };
  const [daemon, asn, ...others] = said({
    daemon: "quagga",
    asn: "0",
    neighbors: ["172.16.0.1\n!", "tor", "172.16.0.1"],
  });
  assertEquals(daemon, 'The config "quagga" is not valid: choose one of frr, bird');
  assertEquals(asn, 'The asn "0" is not valid: give a number from 1 to 4294967295');
  assertEquals(others.length, 2);
  for (const word of ["1", "4294967295"]) {
    assertEquals(said({ daemon: "frr", asn: word, neighbors: [] }), []);
  }
  for (const word of ["4294967296", "1e3", "-1", "65001.1", "", " 1", "01"]) {
    assertEquals(said({ daemon: "frr", asn: word, neighbors: [] }).length, 1, word);
  }
  assertEquals(said({ daemon: "frr", neighbors: ["172.16.0.1"] }), [
    'The neighbor "172.16.0.1" is not valid: give the number of this host\'s autonomous system ' +
    "with --asn",
  ]);
});

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { create as command, readNetworkSpec } from "../../../../lib/cli/commands/network.ts";
import { parseArguments } from "../../../../lib/cli/options.ts";
import { endpointSteps } from "../../../../lib/driver/endpoint/steps.ts";
import { settle, toSettled } from "../../../../lib/driver/network/settle.ts";
import { decideNetwork, networkSteps } from "../../../../lib/driver/network/decide.ts";
import {
  DRIVER_OPTIONS,
  NETWORK_OPTIONS,
  OPTION_NAMES,
  optionProblems,
  optionText,
  parseDriverOptions,
  toDriverOptions,
} from "../../../../lib/driver/model/options.ts";
import { familyOf } from "../../../../lib/ipam/address.ts";
import { Store, withoutState } from "../../../../lib/driver/store/store.ts";
import type { Network, NetworkSpec } from "../../../../lib/driver/model/types.ts";
import { networkDifferences } from "../../../../lib/site/describe.ts";
import { parseSite } from "../../../../lib/site/desired.ts";
import { keyOf } from "../../../../lib/site/shape.ts";
import { networkWith, twoValues } from "../../../kit/options.ts";
import { host, IDENTITY } from "../../../kit/values.ts";

function decided(spec: NetworkSpec): Network {
  const decision = decideNetwork(settle(spec), IDENTITY, [], host());
  assert(decision.ok, decision.ok ? "" : decision.problems.join("\n"));
  return decision.network;
}

/** The lines that make a network and an endpoint on it. */
function lines(network: Network): string[] {
  const endpoint = {
    id: "e",
    network: network.id,
    sandbox: "c1",
    ifname: "eth0",
    ordinal: 0,
    ...Object.fromEntries(network.subnets.map(({ subnet }) => [
      familyOf(subnet) === 6 ? "ip6" : "ip",
      subnet.replace(/0?\/\d+$/, "2"),
    ])),
    aliases: [],
  };
  return [...networkSteps(network, []), ...endpointSteps(network, endpoint, "none")]
    .map(({ line }) => line);
}

/** What a command line makes of an option. */
function typed(words: string[]): NetworkSpec {
  const { spec, problems } = readNetworkSpec(
    "n",
    parseArguments("create", command, [...words, "n"]),
  );
  assertEquals(problems, []);
  return spec;
}

for (const name of OPTION_NAMES) {
  const { driverOption, label } = NETWORK_OPTIONS[name];
  const [value] = twoValues(name);
  const text = optionText(name, { [name]: value });

  Deno.test(`the option ${name} can be written on a command line and in a site file`, () => {
    const words = driverOption === undefined
      ? [`--${name}=${value}`]
      : ["-o", `${driverOption}=${text}`];
    assertEquals(typed(words)[name], value);
    const inSite = (text: string) => parseSite("s.yaml", `networks: {n: {${text}}}`).networks[0]!;
    const rest = name === "ipv4"
      ? ", subnets: ['2001:db8::/64']"
      : name === "advertise"
      ? ", parent: eth0, mode: l3"
      : name === "proxy"
      ? ", parent: eth0, mode: l3s"
      : ["ipv6Mode", "dad", "probe", "dhcp"].includes(name)
      ? ", parent: eth0"
      : name === "routes"
      ? ", parent: eth0, subnets: [10.0.0.0/24]"
      : "";
    assertEquals(inSite(`${keyOf(name)}: ${JSON.stringify(value)}${rest}`)[name], value);
    if (driverOption === undefined) return;
    assertEquals(inSite(`driver_opts: { ${driverOption}: ${text} }${rest}`)[name], value);
  });

  Deno.test(`the option ${name} has an effect, is on record, and is not lost on the way back`, () => {
    const [plain, other] = [decided(networkWith(name)), decided(networkWith(name, value))];
    assertNotEquals(lines(other), lines(plain), `"${label}" changes no line of ip`);
    using store = Store.copy("/nonexistent");
    store.putNetwork(other, "ready");
    assertEquals(withoutState(store.network("n")!), other);
    assertEquals(toSettled(other)[name], value);
    assertNotEquals(networkDifferences(toSettled(plain), toSettled(other)), []);
    assertEquals(decided({ ...toSettled(other) }), other);
    if (driverOption === undefined) return;
    assertEquals(toDriverOptions(other)[driverOption], text);
  });
}

Deno.test("a value that an option cannot have is refused, with what it may be", () => {
  const wrong = { link: "a b", switch: "yes", choice: "no such", number: 1.5, routes: 7 };
  for (const name of OPTION_NAMES) {
    const spec = { name: "n", [name]: wrong[NETWORK_OPTIONS[name].value.kind] };
    const decision = decideNetwork(settle(spec), IDENTITY, [], host());
    assert(!decision.ok, name);
    assertEquals(decision.problems.map(({ field }) => field), [[name]]);
  }
});

Deno.test("a number may be the least or the greatest one, and no other beyond them", () => {
  const ranges = { mtu: [68, 65535], txqlen: [1, 2 ** 31 - 1], dhcp: [1, 600] } as const;
  const numbers = OPTION_NAMES.filter((name) => NETWORK_OPTIONS[name].value.kind === "number");
  assertEquals(Object.keys(ranges), numbers);
  for (const name of ["mtu", "txqlen", "dhcp"] as const) {
    const [least, greatest] = ranges[name];
    const refused = [least - 1, least, greatest, greatest + 1]
      .map((value) => optionProblems(name, value).length > 0);
    assertEquals(refused, [true, false, false, true], name);
  }
});

Deno.test("an option without a value is shown in words, and is none of Docker's options", () => {
  const network = { ...decided({ name: "n", parent: "eth0" }), mtu: undefined };
  assertEquals(optionText("mtu", network), "the parent's");
  assertEquals(optionText("mtu", { ...network, mtu: 1400 }), "1400");
  const { parent, mode, flag } = network;
  assertEquals(toDriverOptions(network), {
    parent,
    ipvlan_mode: mode,
    ipvlan_flag: flag,
  });
});

Deno.test("options written as NAME=VALUE are read by Docker's names", () => {
  const { options, problems } = parseDriverOptions([
    "parent=eth0",
    "com.docker.network.driver.mtu=1400",
    "mode=l3",
    "mtu",
    "ipvlan_flag=",
    "parnt=eth0",
  ]);
  assertEquals(options, { parent: "eth0", mtu: 1400 });
  assertEquals(problems.map(({ message }) => message), [
    `The driver option "mode=l3" is not valid: choose one of ${DRIVER_OPTIONS.join(", ")}`,
    'The driver option "mtu" is not valid: write NAME=VALUE',
    'The driver option "ipvlan_flag=" is not valid: write NAME=VALUE',
    `The driver option "parnt=eth0" is not valid: choose one of ${DRIVER_OPTIONS.join(", ")} ` +
    '(did you mean "parent"?)',
  ]);
});

Deno.test("a number is written in decimal digits, and the message has what was written", () => {
  for (const text of ["banana", "1e3", "0x5dc", "1_400", "1400.0", " 1400", "+1400", "NaN"]) {
    const { options, problems } = parseDriverOptions([`mtu=${text}`]);
    assertEquals(problems, []);
    const decision = decideNetwork(settle({ name: "n", ...options }), IDENTITY, [], host());
    assert(!decision.ok, text);
    assertEquals(decision.problems.map(({ message }) => message), [
      `The MTU "${text}" is not valid: give a whole number from 68 to 65535`,
    ]);
  }
});

Deno.test("an option that is given twice is refused, under its other name too", () => {
  const { options, problems } = parseDriverOptions([
    "parent=eth0",
    "mtu=1400",
    "com.docker.network.driver.mtu=1300",
    "parent=eth0",
  ]);
  assertEquals(options, { parent: "eth0", mtu: 1400 });
  assertEquals(problems.map(({ message }) => message), [
    'The driver option "com.docker.network.driver.mtu=1300" is not valid: the MTU is given already',
    'The driver option "parent=eth0" is not valid: the parent is given already',
  ]);
});

Deno.test("a default gateway that is on record, or is not, is no difference", () => {
  const subnet = { subnet: "10.0.0.0/24", auxAddresses: {} };
  const [without, usual, other] = [undefined, "10.0.0.1", "10.0.0.9"].map((gateway) => ({
    ...toSettled(decided({ name: "n", mode: "l3", parent: "eth0" })),
    subnets: [gateway === undefined ? subnet : { ...subnet, gateway }],
  }));
  assertEquals(networkDifferences(without!, usual!), []);
  assertEquals(networkDifferences(usual!, without!), []);
  assertEquals(networkDifferences(without!, other!), [
    "subnets 10.0.0.0/24 gateway 10.0.0.1 -> 10.0.0.0/24 gateway 10.0.0.9",
  ]);
});

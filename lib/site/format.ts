import { InvalidOptionError } from "../driver/errors.ts";
import { nameProblem } from "../driver/names.ts";
import { IpvlanError } from "../errors.ts";
import { parseAddress, parsePrefix } from "../ipam/mod.ts";
import { IPVLAN_FLAGS, IPVLAN_MODES } from "../iproute2/kinds/ipvlan.ts";
import { linkName } from "../iproute2/words.ts";
import { CHECK_PATTERN, checkProblem } from "./sentence.ts";
import { isOwnLabel, SITE_LABEL } from "./labels.ts";
import type { Key, KeysShape, Shape, TextShape } from "./shape.ts";

function thrown(run: () => unknown): IpvlanError | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof IpvlanError) return error;
    throw error;
  }
}

function name(what: "network" | "sandbox" | "alias"): TextShape {
  const notDigits = what === "sandbox" ? "(?!\\d+$)" : "";
  return {
    kind: "text",
    what: `the name of a${what === "alias" ? "n" : ""} ${what}`,
    pattern: `^${notDigits}[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`,
    judge: (text) => nameProblem(what, text),
  };
}

/** The judge of addresses of one family, or of either. */
function address(family?: 4 | 6): TextShape {
  return {
    kind: "text",
    what: family === undefined ? "an address" : `an IPv${family} address`,
    // How addresses look; what they are is more than a pattern can say.
    pattern: { 4: "^[0-9.]+$", 6: "^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$", 0: "^[0-9A-Fa-f:.]+$" }[
      family ?? 0
    ],
    judge: (text) =>
      thrown(() => {
        if (parseAddress(text).family === (family ?? parseAddress(text).family)) return;
        throw new InvalidOptionError(`IPv${family} address`, text, "it is of the other family");
      }),
  };
}

const PREFIX: TextShape = {
  kind: "text",
  what: "a prefix such as 192.168.20.0/24",
  pattern: "^[0-9A-Fa-f:.]+/[0-9]+$",
  judge: (text) => thrown(() => parsePrefix(text)),
};

const LINK: TextShape = {
  kind: "text",
  what: "the name of a link",
  pattern: "^(?!-|\\.\\.?$)[^\\s/:%#\\\\]{1,15}$",
  judge: (text) => thrown(() => linkName(text)),
};

const MODE: Shape = { kind: "choice", of: IPVLAN_MODES };
const FLAG: Shape = { kind: "choice", of: IPVLAN_FLAGS };
// The least MTU of IPv4 is 68 (RFC 791).
const MTU: Shape = { kind: "number", what: "a number of bytes", range: [68, 65535] };
const LABELS: Key = {
  help: "labels, kept and shown",
  shape: {
    kind: "named",
    names: {
      kind: "text",
      what: "a label",
      pattern: `^(?!${SITE_LABEL.replaceAll(".", "\\.")}(\\.|$))`,
      judge: (text) => {
        const rule = `those that begin with ${SITE_LABEL} say what a site made`;
        return isOwnLabel(text) ? new InvalidOptionError("label", text, rule) : undefined;
      },
    },
    of: { kind: "text", what: "a text" },
  },
};
const AUX_ADDRESSES: Key = {
  help: "addresses that are never given away, by the name of who has them",
  shape: { kind: "named", names: { kind: "text", what: "a name" }, of: address() },
};

const SUBNET: KeysShape = {
  kind: "keys",
  keys: {
    subnet: { help: "its prefix", shape: PREFIX },
    gateway: { help: "its gateway; left out, the first usable address", shape: address() },
    ip_range: { help: "where its automatic addresses come from", shape: PREFIX },
    aux_addresses: AUX_ADDRESSES,
  },
};

const NETWORK: KeysShape = {
  kind: "keys",
  keys: {
    parent: {
      help: "the link that the sandboxes share, such as eth0 or eth0.20; left out, an isolated one",
      shape: LINK,
    },
    mode: { help: "the ipvlan mode; left out, l2", shape: MODE },
    flag: { help: "the ipvlan flag; left out, bridge", shape: FLAG },
    subnets: {
      help: "the subnets, of either family; where none is IPv4, a default pool is added",
      shape: { kind: "list", of: { kind: "either", of: [PREFIX, SUBNET] } },
    },
    gateways: {
      help: "the gateways, each of the subnet it lies in; left out, the first usable address",
      shape: { kind: "list", of: address() },
    },
    ip_ranges: {
      help: "where automatic addresses come from, each of the subnet it lies in",
      shape: { kind: "list", of: PREFIX },
    },
    aux_addresses: AUX_ADDRESSES,
    internal: { help: "whether it is cut off from everything else", shape: { kind: "switch" } },
    ipv6: {
      help: "whether it must have an IPv6 subnet",
      shape: { kind: "switch" },
      alias: "enable_ipv6",
    },
    mtu: { help: "the largest packet, in bytes; left out, the parent's", shape: MTU },
    labels: LABELS,
    driver: { help: "the driver, as in compose.yaml", shape: { kind: "choice", of: ["ipvlan"] } },
    driver_opts: {
      help: "parent, mode, flag and mtu, as in compose.yaml",
      shape: {
        kind: "keys",
        keys: {
          parent: { help: "the same as parent", shape: LINK },
          ipvlan_mode: { help: "the same as mode", shape: MODE },
          ipvlan_flag: { help: "the same as flag", shape: FLAG },
          mtu: { help: "the same as mtu", shape: MTU },
        },
      },
    },
    ipam: {
      help: "the subnets, as in compose.yaml",
      shape: {
        kind: "keys",
        keys: {
          driver: { help: "how addresses are given", shape: { kind: "choice", of: ["default"] } },
          config: {
            help: "the subnets",
            shape: {
              kind: "list",
              of: SUBNET,
            },
          },
        },
      },
    },
  },
};

const ENDPOINT: KeysShape = {
  kind: "keys",
  keys: {
    ip: {
      help: "the IPv4 address; left out, the next free one",
      shape: address(4),
      alias: "ipv4_address",
    },
    ip6: {
      help: "the IPv6 address; left out, the next free one where the network has IPv6",
      shape: address(6),
      alias: "ipv6_address",
    },
    aliases: {
      help: "other names that the sandbox is found by on this network",
      shape: { kind: "list", of: name("alias") },
    },
    ifname: {
      help: "the link's name in the sandbox; left out, the first free of eth0, eth1, …",
      shape: LINK,
      alias: "interface_name",
    },
  },
};

const SANDBOX: KeysShape = {
  kind: "keys",
  keys: {
    networks: {
      help: "the networks it is on; the first one's default route is taken",
      shape: {
        kind: "either",
        of: [
          { kind: "list", of: name("network") },
          { kind: "named", names: name("network"), of: ENDPOINT },
        ],
      },
    },
    command: {
      help: "a command that is started in it in the background; a text is split at spaces",
      shape: {
        kind: "either",
        of: [
          { kind: "list", of: { kind: "text", what: "a word" } },
          { kind: "text", what: "a text" },
        ],
      },
    },
    labels: LABELS,
  },
};

/** A site file. */
export const SITE: KeysShape = {
  kind: "keys",
  keys: {
    name: {
      help: "the site's name, by which it knows what it made; left out, the file's",
      shape: {
        kind: "text",
        what: "a name",
        pattern: "^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$",
        judge: (text) => nameProblem("site", text),
      },
    },
    networks: {
      help: "the networks, by name",
      shape: { kind: "named", names: name("network"), of: NETWORK },
    },
    sandboxes: {
      help: "the sandboxes, by name",
      shape: { kind: "named", names: name("sandbox"), of: SANDBOX },
      alias: "services",
    },
    checks: {
      help: "what must hold: [NETWORK] FROM reaches|does not reach TARGET [by ip|ip6]",
      shape: {
        kind: "list",
        of: { kind: "text", what: "a sentence", pattern: CHECK_PATTERN, judge: checkProblem },
      },
    },
  },
  ignored: "^x-",
};

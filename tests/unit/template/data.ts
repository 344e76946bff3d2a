/** What the templates in `go.json` were printed with. There, each object is a struct of Go. */
import type { Struct } from "../../../lib/template/mod.ts";

const labels = new Map(Object.entries({ tier: "front", b: "é<&", a: "x y" }));

const networks = {
  web: { IPAddress: "192.168.1.2", IPPrefixLen: 24, Aliases: ["w", "www"] },
  db: { IPAddress: "10.0.0.2", IPPrefixLen: 16, Aliases: [] },
};

export const DATA: Struct = {
  Name: "web",
  Id: "0123456789abcdef",
  State: { Status: "running", Running: true, Pid: 42 },
  Labels: labels,
  Empty: new Map(),
  Networks: new Map(Object.entries(networks)),
  Config: [
    { Subnet: "192.168.1.0/24", Gateway: "192.168.1.1" },
    { Subnet: "10.0.0.0/8", Gateway: "" },
  ],
  None: [],
  Nil: null,
  Any: undefined,
  Label: (name: string) => labels.get(name) ?? "",
};

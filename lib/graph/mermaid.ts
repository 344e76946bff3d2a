import {
  networkTitle,
  sameRoutes,
  sandboxTitle,
  type World,
  type WorldLink,
  type WorldNetwork,
} from "./world.ts";

/** The world as a Mermaid flowchart (https://mermaid.js.org/syntax/flowchart.html). */
export function toMermaid(world: World): string {
  const lines = ["flowchart LR"];
  const ids = new Map<string, string>();
  // Ids of our own, as names may have characters or be words that Mermaid reads as its own.
  const node = (key: string, open: string, label: string[], close: string): string => {
    const known = ids.get(key);
    if (known !== undefined) return known;
    const id = `n${ids.size}`;
    ids.set(key, id);
    lines.push(`  ${id}${open}${quote(label)}${close}`);
    return id;
  };
  const addNetwork = (network: WorldNetwork, link: string, parent: string) => {
    const { mode, flag, subnets, routes } = network;
    const title = [networkTitle(network), `${mode} ${flag}`, ...subnets];
    const id = node(`network ${link} ${network.name ?? ""}`, "([", title, "])");
    lines.push(`  ${parent} --- ${id}`);
    if (routes.length > 0) {
      lines.push(`  ${id} -.-> ${node(`out ${link} ${id}`, "[/", routes, "/]")}`);
    }
    for (const endpoint of network.endpoints) {
      const sandbox = sandboxTitle(endpoint);
      const label = [
        ...endpoint.addresses,
        ...(endpoint.up ? [] : ["down"]),
        ...(sameRoutes(network, endpoint) ? [] : endpoint.routes),
      ];
      const edge = label.length > 0 ? `-- ${quote(label)} ---` : "---";
      lines.push(`  ${id} ${edge} ${node(`sandbox ${sandbox}`, "[", [sandbox], "]")}`);
    }
  };
  const addLink = (link: WorldLink): string => {
    const { name, kind, state, addresses, routes } = link;
    const id = node(`link ${name}`, "[[", [name, `${kind}, ${state}`, ...addresses], "]]");
    if (routes.length > 0) {
      lines.push(`  ${id} -.-> ${node(`out ${name}`, "[/", routes, "/]")}`);
    }
    for (const network of link.networks) addNetwork(network, name, id);
    for (const sub of link.subInterfaces) lines.push(`  ${id} --- ${addLink(sub)}`);
    return id;
  };
  world.links.forEach(addLink);
  return lines.join("\n");
}

/** A label of several lines. `#…;` is Mermaid's way to write a character by its number. */
function quote(lines: readonly string[]): string {
  const escaped = lines.map((line) =>
    line.replace(/[#"<>&`]/g, (character) => `#${character.charCodeAt(0)};`)
  );
  return `"${escaped.join("<br>")}"`;
}

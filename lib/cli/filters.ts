import { InvalidOptionError, throwProblems } from "../driver/errors.ts";
import type { Driver } from "../driver/mod.ts";
import type { Network } from "../driver/types.ts";

/** What a listed network has to be. */
export type Filter = [key: string, value: string];

const KEYS = ["name", "id", "driver", "label", "dangling"];

/** Reads `--filter KEY=VALUE` words. @throws {InvalidOptionError} One of them is none. */
export function readFilters(words: readonly string[]): Filter[] {
  const filters: Filter[] = words.map((word) => {
    const [key = "", ...rest] = word.split("=");
    return [key, rest.join("=")];
  });
  throwProblems(
    filters.filter(([key, value]) => !KEYS.includes(key) || value === "").map(([key, value]) =>
      new InvalidOptionError(
        "filter",
        `${key}=${value}`,
        `write one of ${KEYS.join(", ")}, as KEY=VALUE`,
      )
    ),
  );
  return filters;
}

/** The networks that fit: for each key, one of its values; labels all. As `docker network ls` does. */
export function filterNetworks(driver: Driver, filters: readonly Filter[]): Network[] {
  const values = (key: string) =>
    filters.filter(([each]) => each === key).map(([, value]) => value);
  const some = (key: string, fits: (value: string) => boolean) =>
    values(key).length === 0 || values(key).some(fits);
  return driver.listNetworks().filter((network) =>
    some("name", (value) => network.name.includes(value)) &&
    some("id", (value) => network.id.startsWith(value)) &&
    some("driver", (value) => value === "ipvlan") &&
    some(
      "dangling",
      (value) =>
        (driver.inspectNetwork(network.name).endpoints.length === 0) === (value === "true"),
    ) &&
    values("label").every((label) => {
      const [name = "", ...rest] = label.split("=");
      const value = network.labels[name];
      return value !== undefined && (rest.length === 0 || value === rest.join("="));
    })
  );
}

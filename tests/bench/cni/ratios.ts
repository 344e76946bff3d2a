import { median, type Ratio, type Result } from "../results.ts";

/** Compares the time of ADD and DEL together with that of CNI's own plugins. */
export function attachRatios(results: readonly Result[]): Ratio[] {
  const sizes = [...new Set(results.map(({ size }) => size))];
  const total = (size: number, way: string): number | undefined => {
    const own = results.filter((one) => one.size === size && one.way === way);
    if (own.length === 0 || own.some(({ runs }) => runs.length === 0)) return undefined;
    return own.reduce((sum, { runs }) => sum + median(runs), 0);
  };
  return sizes.flatMap((size): Ratio[] => {
    const plain = total(size, "ipvlan, host-local");
    const what = `ADD and DEL of ${size}${size === 1 ? "" : " at once"}`;
    return ["ipvlan-kit", "ipvlan-kit, no server"].map((way, index): Ratio => {
      const own = total(size, way);
      const ratio = own === undefined || plain === undefined ? {} : { ratio: own / plain };
      const aim = index === 0 ? { aim: { most: size === 1 ? 1.5 : 1 } } : {};
      return { what: `${what}: ${way} / ipvlan, host-local`, ...ratio, ...aim };
    });
  });
}

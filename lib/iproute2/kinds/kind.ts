import { attribute, be16, type Bytes, type Reader, u16, u32 } from "../../netlink/message.ts";
import { invalidWord, oneOf, wholeNumber } from "../words.ts";

/** The attributes of any new link. The kernel chooses those left out. */
export interface LinkBase<Type extends string = string> {
  /** The kind. */
  type: Type;
  /** The link's name, up to 15 bytes. */
  name: string;
  /** The namespace that the link is made in; left out, the session's own. */
  netns?: string;
  /** The interface index. No link in its namespace, nor in the session's own, may have it. */
  index?: number;
  /** The largest packet, in bytes; left out, for most kinds that of the link below. */
  mtu?: number;
  /** The length of the transmit queue, in packets; left out, 1000 for most kinds. */
  txqlen?: number;
  /**
   * The group, by which links can be listed and deleted together: its number, or its name as `show`
   * gives it; left out, 0, which is `default`.
   */
  group?: number | string;
  /** The hardware (MAC) address. An ipvlan link has its parent's and takes no other. */
  address?: string;
  /** Whether the link is made up; left out, down. */
  up?: boolean;
}

/**
 * A kind of link: how one is made, changed and read back.
 *
 * @typeParam Fixed The attributes that the kernel does not change.
 */
export interface Kind<Spec, Info, Fixed extends string = never> {
  /**
   * The words after `type KIND` on a line that adds or changes a link.
   * @throws {"invalid-word"} A value cannot be written, or its attribute cannot be changed.
   */
  words(verb: "add" | "set", spec: Partial<Spec>): string[];
  /** The attributes that the kernel does not change. */
  readonly fixed: readonly Fixed[];
  /** Reads the info from the `info_data` of `ip -details -json link show`. */
  parse(data: Readonly<Record<string, unknown>>): Info;
  /**
   * Reads the info from the attributes of `IFLA_INFO_DATA` (`include/uapi/linux/if_link.h`).
   *
   * @internal
   */
  read(data: Reader): Info;
  /**
   * Writes those that a new link or a change has; left out, only `ip` can make and change one.
   *
   * @internal
   */
  write?(verb: "add" | "set", spec: Partial<Spec>): Bytes;
}

/** The `info_data` of `ip -details -json link show`. */
export type InfoData = Readonly<Record<string, unknown>>;

/** The part of a kind's spec that is the same for all kinds. */
interface KindSpec extends LinkBase {
  /** The link below, for the kinds that `ip link add link …` makes on one. */
  link?: string;
}

type AttributeOf<Spec> = Exclude<keyof Spec, keyof KindSpec>;

/** The info of a kind: all attributes of its spec. `ip` must print each of them. */
export type InfoOf<Spec extends KindSpec> =
  & Pick<Spec, "type">
  & Required<Pick<Spec, AttributeOf<Spec>>>;

/** An attribute that can be set, but is not read back. */
export interface SetAttribute<Spec, Value> {
  /** The value to set if the spec has none. Without it, nothing is set. */
  readonly default?: Value;
  /** The words for `ip link add`. @throws {"invalid-word"} The value cannot be written. */
  words(value: Value, spec: Spec): string[];
  /** Writes it into a netlink message. Of equal attributes, the kernel heeds the last. */
  put?(value: Value, spec: Partial<Spec>): Bytes;
}

/** An attribute that can be set and read back. */
export interface Attribute<Spec, Value, Shown = Value> extends SetAttribute<Spec, Value> {
  /** Reads the value from the output of `ip`. */
  read(data: InfoData): Shown;
  /** Reads it from a netlink message. */
  get(data: Reader): Shown;
}

/** The attributes of a kind by their name in the spec, in the order of their words. */
export type Attributes<Spec extends KindSpec, Info> = {
  readonly [Name in AttributeOf<Spec>]-?: Name extends keyof Info
    ? Attribute<Spec, NonNullable<Spec[Name]>, Info[Name]>
    : SetAttribute<Spec, NonNullable<Spec[Name]>>;
};

/** Makes a kind from its attributes. Netlink can make one if it can write all of them. */
export function kind<
  Spec extends KindSpec,
  Info extends Pick<Spec, "type">,
  Fixed extends string & AttributeOf<Spec> = never,
>(
  type: Spec["type"],
  attributes: Attributes<Spec, Info>,
  fixed: readonly Fixed[] = [],
): Kind<Spec, Info, Fixed> {
  // The attributes have different types. Here each one gets the value of its own name.
  type Any = SetAttribute<Spec, unknown> & Partial<Attribute<Spec, unknown>>;
  const entries = Object.entries<Any>(attributes);
  const given = (verb: "add" | "set", spec: Partial<Spec>) => {
    const values: Readonly<Record<string, unknown>> = { ...spec };
    return entries.flatMap(([name, attribute]) => {
      const value = values[name] ?? (verb === "add" ? attribute.default : undefined);
      return value === undefined ? [] : [{ name, attribute, value }];
    });
  };
  const info = (read: (attribute: Any) => unknown): Info => {
    const readable = entries.filter(([, { read }]) => read);
    const values = readable.map(([name, attribute]) => [name, read(attribute)]);
    return { type, ...Object.fromEntries(values) };
  };
  return {
    fixed,
    words: (verb, spec) =>
      given(verb, spec).flatMap(({ name, attribute, value }) => {
        if (verb === "set" && fixed.some((each) => each === name)) {
          const rule = "the kernel does not change it: delete the link and make it again";
          throw invalidWord(`${type} ${name}`, String(value), rule);
        }
        return attribute.words(value, spec as Spec);
      }),
    parse: (data) => info(({ read }) => read!(data)),
    read: (data) => info(({ get }) => get!(data)),
    write: entries.every(([, { put }]) => put)
      ? (verb, spec) => given(verb, spec).map(({ attribute, value }) => attribute.put!(value, spec))
      : undefined,
  };
}

/** Where an attribute is in a netlink message: its number (`IFLA_*`), and the width of its value. */
type At = readonly [type: number, width: keyof typeof WRITE];

const WRITE = { u8: (value: number) => value, u16, be16, u32 };

type Typed = Pick<KindSpec, "type">;

/**
 * An attribute that is one of several words: `mode l2`.
 *
 * @param numbers The kernel's numbers of the words; left out, 0, 1, …
 */
export function choice<Value extends string>(
  name: string,
  choices: readonly Value[],
  [type, width]: At,
  { default: usual, numbers = [...choices.keys()] }: {
    default?: Value;
    numbers?: readonly number[];
  } = {},
): Attribute<Typed, Value> {
  return {
    default: usual,
    words: (value, { type }) => [name, oneOf(value, `${type} ${name}`, choices)],
    read: (data) => data[name] as Value,
    get: (data) => choices[numbers.indexOf(data.get(type)?.[width]() ?? -1)] as Value,
    put: (value) => attribute(type, WRITE[width](numbers[choices.indexOf(value)]!)),
  };
}

/** An attribute that is a whole number in a range: `id 20`. */
export function number(
  name: string,
  least: number,
  most: number,
  [type, width]: At,
): Attribute<Typed, number> {
  return {
    words: (value, { type }) => [name, wholeNumber(value, `${type} ${name}`, least, most)],
    read: (data) => data[name] as number,
    get: (data) => data.get(type)?.[width]() as number,
    put: (value) => attribute(type, WRITE[width](value)),
  };
}

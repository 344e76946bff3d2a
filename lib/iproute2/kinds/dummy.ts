import { type InfoOf, type Kind, kind, type LinkBase } from "./kind.ts";

/** A `dummy`: a link that drops every packet sent to it. */
export type DummySpec = LinkBase<"dummy">;

/** How a dummy is made and read back. */
export const dummy: Kind<DummySpec, InfoOf<DummySpec>> = kind("dummy", {});

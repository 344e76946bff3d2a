// Imported for its effect: fast-check draws the same cases in every run. SEED=N draws others.
import fc from "fast-check";

fc.configureGlobal({ seed: Number(Deno.env.get("SEED") ?? 1) });

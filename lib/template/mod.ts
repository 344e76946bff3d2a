// Templates as Docker's `--format` takes them. They know nothing of networks: they print any value.
export { HEADER_FUNCTIONS } from "./functions.ts";
export { Template } from "./template.ts";
export { type Struct, toJson, type Value } from "./value.ts";

import { assertRejects } from "@std/assert";
import { LabError } from "../../../lab/errors.ts";
import { withRunFolder } from "../../../lab/run_folder.ts";
import { inEnv } from "../../kit/processes.ts";

Deno.test("a temporary folder that cannot be made is an error that names TMPDIR", async () => {
  using _none = inEnv("TMPDIR", "/no/such/folder");
  await assertRejects(() => withRunFolder(() => Promise.resolve()), LabError, "set TMPDIR to one");
});

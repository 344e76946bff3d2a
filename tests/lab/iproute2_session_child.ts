// A program with a session, for the tests of what signals do to it: it says the process id of its
// `ip`, and, for each SIGINT, what the session answers.
import { Session } from "../../lib/iproute2/session.ts";
import { children } from "../kit/processes.ts";

const session = await Session.open();
Deno.addSignalListener("SIGINT", async () => {
  const answer = await session.query("link show dev lo").then(
    ([row]) => `answered ${row?.ifname}`,
    (error: Error) => error.message,
  );
  console.log(answer);
});
console.log(children()[0]?.pid);

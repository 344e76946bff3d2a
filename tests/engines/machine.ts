// The machine that an engine runs on, for the tests of all engines.
export { machineState as state, withRouter } from "../../scenarios/kit/engines/machine.ts";

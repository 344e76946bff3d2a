/**
 * `deno task test:kernels`: what has to hold on every kernel: the scenarios, the driver's tests and
 * the contract of the engine that boots them. The last line counts it: `N passed, N failed`.
 *
 * @module
 */

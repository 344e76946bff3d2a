import { IpvlanError } from "../base/errors.ts";

/** An engine asks for a network that is there with other settings. */
export class NetworkDiffersError extends IpvlanError {
  /** The network. */
  readonly network: string;
  /** What differs: `mode`, `subnets`, … */
  readonly settings: readonly string[];

  /** Makes the error from the network's name and the settings that differ. */
  constructor(network: string, settings: readonly string[]) {
    super(
      `The network "${network}" is there with another ${settings.join(", ")}: remove all that is ` +
        "connected to it, or choose another name",
    );
    this.network = network;
    this.settings = settings;
  }
}

/**
 * The base class of every error that this project throws on purpose. A caller can so distinguish a
 * wrong request, or a system that refuses it, from a bug.
 *
 * Messages are one sentence: what was wrong, with which value, what to do.
 */
export class IpvlanError extends Error {
  /** Makes the error with its message; the name is the class's own. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

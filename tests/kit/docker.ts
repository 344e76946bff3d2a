/**
 * Docker with the plugin, as the scenarios have it.
 *
 * @module
 */
export * from "../../scenarios/kit/docker.ts";

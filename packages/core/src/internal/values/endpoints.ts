/** Addresses with a port. */
import type { Endpoint } from "../../Network.ts"

export const sameEndpoint = (a: Endpoint, b: Endpoint): boolean => a.port === b.port && a.host === b.host

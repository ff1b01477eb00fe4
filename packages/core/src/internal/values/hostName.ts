/** What may stand in the option `peers`: an address, or a name that has addresses. */
import { canonicalHost, parseEndpoint } from "../../Advert.ts"
import type { Endpoint } from "../../Network.ts"

const label = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/

/** Whether it is written as the name of a host, and not as an address or what was meant to be one. */
const isHostName = (text: string): boolean => {
  const labels = (text.endsWith(".") ? text.slice(0, -1) : text).split(".")
  return text.length <= 253 && labels.every((one) => label.test(one)) && !/^(?:[0-9]+|0x.*)$/i.test(labels.at(-1)!)
}

/** Whether an endpoint's host is a name. */
export const isNamed = ({ host }: Endpoint): boolean => canonicalHost(host) === undefined

/** `host:port`, `[host]:port` or `name:port`, as it is listed. */
export const parseListed = (text: string): Endpoint | undefined => {
  const address = parseEndpoint(text)
  if (address !== undefined) return address
  const [host, port, ...more] = text.split(":")
  // The port as for an address.
  const { port: number } = parseEndpoint(`127.0.0.1:${port}`) ?? {}
  return host === undefined || number === undefined || more.length > 0 || !isHostName(host)
    ? undefined
    : { host, port: number }
}

/** Making the stream of a network, where it is not there. */
import type { JetStreamManager, StreamConfig } from "@nats-io/jetstream"

const usual = 2 ** 30

/** What is there is left as it is. Whoever may not make it is refused, and so is who gives more `bytes` than the account has room for. */
export const open = (
  manager: JetStreamManager,
  config: Partial<StreamConfig> & { readonly name: string },
  bytes?: number
): Promise<unknown> =>
  manager.streams.info(config.name).catch(() =>
    manager.streams.add({ ...config, max_bytes: bytes ?? usual }).catch((cause: Error) => {
      // Room is set aside for what a stream may grow to. Where there is less the account's own limit is the bound.
      if (bytes !== undefined || !/insufficient|exceeded|limit/i.test(cause.message)) throw cause
      return manager.streams.add(config)
    })
  )

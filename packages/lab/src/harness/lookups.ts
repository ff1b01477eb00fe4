/** An object of a JSON Schema's definitions that counts how often one of them is looked up, which is to happen once, however many lead to it. */
export const counted = (definitions: object): { readonly definitions: object; readonly lookups: () => number } => {
  let lookups = 0
  return {
    definitions: new Proxy(definitions, {
      getOwnPropertyDescriptor: (target, name) => (lookups++, Reflect.getOwnPropertyDescriptor(target, name))
    }),
    lookups: () => lookups
  }
}

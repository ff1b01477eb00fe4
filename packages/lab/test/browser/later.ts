export const exclaim = (text: string) => `${text}!`
export const unused = (text: string) => `never ${text}`

import { useState } from 'preact/hooks'
import type { SessionInfo } from '../../../src/frontends/admin/api.ts'
import { Logo } from '../app.tsx'
import { post } from '../client.ts'
import { Fault, Field } from '../parts/basics.tsx'

export function LoginPage({ onEnter }: { readonly onEnter: (session: SessionInfo) => void }) {
  const [token, setToken] = useState('')
  const [user, setUser] = useState('')
  const [password, setPassword] = useState('')
  const [fault, setFault] = useState<Error>()
  const send = (event: Event): void => {
    event.preventDefault()
    post<SessionInfo>('/session', token === '' ? { user, password } : { token }).then(onEnter, setFault)
  }
  return (
    <main class="login">
      <form onSubmit={send}>
        <h1>
          <Logo /> Spindle
        </h1>
        <Field label="User" wide>
          <input
            autocomplete="username"
            value={user}
            required={token === ''}
            onInput={(event) => setUser(event.currentTarget.value)}
          />
        </Field>
        <Field label="Password" wide>
          <input
            type="password"
            autocomplete="current-password"
            value={password}
            required={token === ''}
            onInput={(event) => setPassword(event.currentTarget.value)}
          />
        </Field>
        <p class="or">or</p>
        <Field label="Token" wide>
          <input
            type="password"
            autocomplete="off"
            value={token}
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </Field>
        <Fault fault={fault} />
        <button type="submit" class="primary">
          Log in
        </button>
      </form>
    </main>
  )
}

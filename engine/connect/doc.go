// Package connect is the room for what acts in the accounts of a product's
// customers: connections, their OAuth2 tokens, and the proxy.
//
// Nothing stands here yet. A request step names its URL and its credentials
// itself; request.integration is refused when a workflow is applied.
package connect

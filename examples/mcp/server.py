"""An MCP server of the official SDK, which has nothing of OAuth in it.

nginx lets no request pass that has no good token, and says whose it is: nginx.conf. Nobody else may reach this server.

Environment: PORT (default 9000).
"""

import os

from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("Example")


@server.tool()
def whoami(context: Context) -> dict[str, str]:
    """Who is calling, by which program, with which scopes, and in which session, if there is one."""
    return {name: context.headers.get(f"x-auth-{name}", "") for name in ("subject", "client", "scope", "session")}


# Stateless: each message is judged by its own token, and none by the MCP session that another token began.
server.run("streamable-http", port=int(os.environ.get("PORT", "9000")), stateless_http=True)

// Shows the API description. URLs are relative, so the page works behind a path prefix.
'use strict';

window.SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#api',
  deepLinking: true,
  docExpansion: 'list',
  // The validator is a third-party server.
  validatorUrl: null,
  // Read-only: the console asks for confirmation before changes, this page would not.
  supportedSubmitMethods: ['get'],
});

"""HTTP: translation between requests and the service, and nothing else.

Belongs here: reading bodies and headers, rendering answers, the table of errors, the OpenAPI
document, the composition root of the web application. Does not: rules of lending, SQL, storage.
"""
